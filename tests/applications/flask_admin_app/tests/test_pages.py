import os
import sqlite3


def make_staff(email):
    path = os.environ["DATABASE_URL"].removeprefix("sqlite:///")
    connection = sqlite3.connect(path)
    connection.execute("UPDATE user SET is_staff = 1 WHERE email = ?", [email])
    connection.commit()
    connection.close()


def test_a_company_manages_its_items(client):
    assert "Table" in client.get("/manage/item/").text
    assert "Table" in client.get("/manage/item/?search=Tab").text
    assert "Wood &amp; Co" in client.get("/manage/item/details/?id=1").text
    form = {"name": "Desk", "supplier": "1", "price": "95", "stock": "1"}
    assert client.post("/manage/item/edit/?id=1", data=form).status_code == 302
    assert client.get("/items/1").json["name"] == "Desk"
    assert client.post("/manage/item/new/", data=form).status_code == 302
    assert client.get("/items/3").json["name"] == "Desk"
    assert client.post("/manage/item/delete/", data={"id": 3}).status_code == 302
    assert client.get("/items/3").status_code == 404
    assert client.get("/manage/item/export/csv/").text.splitlines()[1].startswith("Desk,")


def test_only_users_manage_items(app, client):
    assert app.test_client().get("/manage/item/").status_code == 401


def test_the_staff_sees_all_companies(client, register):
    register("globex")
    assert client.get("/admin/user/").status_code == 403
    make_staff("boss@acme.test")
    page = client.get("/admin/user/").text
    assert "boss@acme.test" in page
    assert "boss@globex.test" in page
    assert "globex" in client.get("/admin/user/export/csv/").text
    form = {"name": "Globex"}
    assert client.post("/admin/company/edit/?id=2", data=form).status_code == 302
    assert "Globex" in client.get("/admin/company/").text
