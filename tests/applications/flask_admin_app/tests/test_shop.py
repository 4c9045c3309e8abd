TABLE = {"id": 1, "name": "Table", "price": 90, "stock": 2, "supplier": "Wood & Co"}


def test_items(client):
    assert client.get("/items/1").json == TABLE
    assert [item["id"] for item in client.get("/items").json] == [1, 2]
    assert [item["id"] for item in client.get("/suppliers/1/items").json] == [1, 2]
    assert client.get("/suppliers").json == [{"id": 1, "name": "Wood & Co"}]
    assert client.get("/items/3").status_code == 404


def test_items_are_found_by_their_name_or_their_supplier(client):
    assert [item["id"] for item in client.get("/items?search=Tab").json] == [1]
    assert [item["id"] for item in client.get("/items?search=Wood").json] == [1, 2]


def test_an_item_needs_a_supplier(client):
    wrong = {"supplier_id": 7, "name": "Bed", "price": 1}
    assert client.post("/items", data=wrong).status_code == 404


def test_prices(client):
    assert client.post("/items/1/price", data={"price": 80}).json == {**TABLE, "price": 80}
    form = {"supplier_id": 1, "amount": 10}
    assert client.post("/items/discount", data=form).json == {"changed": 2}
    assert [item["price"] for item in client.get("/items").json] == [70, 30]


def test_orders(client):
    for item_id, quantity in ((1, 3), (2, 5)):
        form = {"item_id": item_id, "quantity": quantity, "note": "soon"}
        assert client.post("/orders", data=form).status_code == 201
    order = {"id": 2, "item": "Chair", "quantity": 5, "note": "soon"}
    assert client.get("/orders").json[0] == order
    assert client.get("/orders.csv").text == "item,quantity,note\nTable,3,soon\nChair,5,soon\n"
    best = [{"item": "Chair", "sold": 5}, {"item": "Table", "sold": 3}]
    assert client.get("/report").json == {"value": 380, "best": best}


def test_an_item_is_deleted_with_its_orders(client):
    client.post("/orders", data={"item_id": 1, "quantity": 3})
    assert client.delete("/items/1").status_code == 204
    assert client.get("/orders").json == []


def test_each_morning_all_companies_hear_what_to_order(app, client, register):
    register("globex")
    result = app.test_cli_runner().invoke(args=["low-stock"])
    assert result.output == "boss@acme.test: Table\nboss@globex.test: \n"
