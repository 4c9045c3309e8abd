def test_the_support_sees_the_users_of_all_organizations(client, sign_up):
    sign_up("acme")
    sign_up("globex")
    client.post("/admin/login", data={"username": "sue", "password": "support"})
    page = client.get("/admin/user/list").text
    assert "boss@acme.test" in page
    assert "boss@globex.test" in page


def test_the_support_renames_an_organization(client, sign_up):
    sign_up("acme")
    client.post("/admin/login", data={"username": "sue", "password": "support"})
    answer = client.post("/admin/organization/edit/1", data={"name": "ACME", "save": "Save"})
    assert answer.status_code == 200
    assert "ACME" in client.get("/admin/organization/list").text


def test_nobody_else_sees_the_pages_of_the_support(client, boss):
    answer = client.get("/admin/user/list", headers=boss, follow_redirects=False)
    assert answer.status_code == 302
    client.post("/admin/login", data={"username": "sue", "password": "guess"})
    assert "boss@acme.test" not in client.get("/admin/user/list").text
